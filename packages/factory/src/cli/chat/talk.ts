// In: one or two models by their arguments. Out: a chat with them until the person leaves; then the models are closed.
import { type Endpoint, openChatSide } from '#factory/pipeline/open-chat-side.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { CommandContext } from '../command.ts';
import type { ChatSide } from './ask-side.ts';
import { type ChatSettings, chat } from './chat.ts';

type TalkDeps = Omit<ChatSettings, 'clock'> & Pick<CommandContext, 'terminal' | 'env'>;

export async function talk(
  wanted: readonly { name: string; args: TrainArgs }[],
  endpoint: Endpoint | null,
  { terminal, env, ...settings }: TalkDeps,
): Promise<number> {
  const clock = () => performance.now();
  const deps = { env, clock, note: (text: string) => terminal.err(`note: ${text}\n`) };
  const sides: ChatSide[] = [];
  try {
    for (const { name, args } of wanted)
      sides.push({ name, model: await openChatSide(name, args, endpoint, deps) });
    await chat(sides, { ...settings, clock }, terminal);
    return 0;
  } finally {
    await Promise.all(sides.map(({ model }) => model.close()));
  }
}
