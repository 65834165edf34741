// In: text. Out: names of people where the text says that it is a name ("我叫…", "my name is …", "Dear Mr. …"). Off by
// default: without a model only such places can be trusted, and most names in a text are missed.
import type { Add } from './find-numbers.ts';

const SURNAME =
  '赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦马苗凤花方俞任袁柳鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫经房裘缪干解应宗丁宣邓郁单杭洪包诸左石崔吉龚程邢裴陆荣翁荀羊惠甄曲封芮储靳段焦巴谷车侯全班秋仲伊宫宁仇栾甘厉祖武符刘景詹束龙叶幸司黎薄印白怀蒲邰鄂索赖卓蔺屠蒙池乔阴胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍桑桂牛寿通边扈燕冀浦尚农温别庄晏柴瞿阎连茹习艾容向古易慎戈廖庾终居衡步都耿满弘匡国文寇广禄阙东欧沃利蔚越师巩聂晁勾敖融冷辛阚那简饶空曾毋沙养鞠须丰巢关蒯相查后荆红游竺权盖益桓公';
const CHINESE = new RegExp(
  `(?:我叫|我是|名叫|姓名[：:是为]?|收件人[：:]?|联系人[：:]?|客户[：:]|用户[：:])\\s*((?:欧阳|上官|司马|诸葛|[${SURNAME}])\\p{Script=Han}{1,2})(?![\\p{Script=Han}])`,
  'gu',
);
const ENGLISH =
  /(?:[Mm]y name is|I am called|[Nn]ame:|[Dd]ear (?:Mr|Mrs|Ms|Miss|Dr)\.?|\b(?:Mr|Mrs|Ms|Miss|Dr)\.?) ((?:[A-Z][\p{L}'’-]+)(?: (?:[A-Z]\.|[A-Z][\p{L}'’-]+)){0,3})/gu;

/** What names become; they are left alone when met again. */
export const MADE_UP_NAMES = {
  zh: ['陈晨', '林涛', '王敏', '赵宁', '孙悦', '周航', '吴桐', '郑凯', '何静', '许诺'],
  en: ['Alex Morgan', 'Robin Taylor', 'Sam Carter', 'Jamie Reed', 'Casey Brooks', 'Drew Palmer'],
};
const MADE_UP = new Set([...MADE_UP_NAMES.zh, ...MADE_UP_NAMES.en]);

export function findNames(text: string, add: Add): void {
  for (const pattern of [CHINESE, ENGLISH]) {
    for (const match of text.matchAll(pattern)) {
      const name = match[1]!;
      const start = match.index + match[0].length - name.length;
      if (!MADE_UP.has(name)) add('name', start, start + name.length, name);
    }
  }
}
