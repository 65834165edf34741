// In: nothing. Out: what comparing a template with the tokenizer's own chat template has shown. Printed, and kept with
// the run.

export interface TemplateProof {
  template: string;
  /** The template was read off the tokenizer's chat template, so that it must agree. */
  derived: boolean;
  /** False where the tokenizer has no chat template: there was nothing to compare with. */
  compared: boolean;
  /** Rows compared. */
  samples: number;
  /** Rows whose ids are the same, every one of them. */
  agree: number;
  /** Ids compared over all rows. */
  tokens: number;
  firstMismatch: {
    /** Index among the samples. */
    sample: number;
    /** Index of the first id that differs. */
    position: number;
    /** The token there by its text, or null where this side has ended. */
    ours: string | null;
    theirs: string | null;
    /** Decoded text around that place, each side. */
    oursAround: string;
    theirsAround: string;
    /** Why the chat template could not be rendered for this row, or null. */
    renderError: string | null;
  } | null;
}
