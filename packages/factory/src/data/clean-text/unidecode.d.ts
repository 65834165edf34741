// In: nothing. Out: the type of the npm package, which has none.
declare module 'unidecode' {
  /** ASCII for characters below U+10000; "[?]" where the table has nothing. */
  export default function unidecode(text: string): string;
}
