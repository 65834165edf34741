// In: the format that an answer must have. Out: a grammar in llama.cpp's notation (GBNF), or null for free text.
import type { AnswerFormat } from '#factory/records/served-model.ts';
import { JSON_RULES, schemaGrammar } from '../schema-grammar.ts';

export function grammarOf(format: AnswerFormat): string | null {
  switch (format.kind) {
    case 'text':
      return null;
    case 'json':
      return ['root ::= object', ...JSON_RULES].join('\n');
    case 'json_schema':
      return schemaGrammar(format.schema);
  }
}
