// In: nothing. Out: the bounds that synthetic rows are held to, and their defaults.

export interface GateLimits {
  /** Bounds of the similarity of three-character shingles between a text and its variant by a model. */
  leastSimilarity: number;
  mostSimilarity: number;
  perParent: number;
  /** Most of a label that may be synthetic, of its real and synthetic rows together. */
  labelShare: number;
}

export const LIMITS: GateLimits = {
  leastSimilarity: 0.2,
  mostSimilarity: 0.9,
  perParent: 5,
  labelShare: 0.5,
};
