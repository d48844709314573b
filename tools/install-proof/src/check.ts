/** Something to prove. `prove` resolves to a remark, and rejects with what is wrong, or with why it cannot be told here. */
export interface Check {
  readonly title: string;
  readonly prove: () => Promise<string | void>;
}

/** Why a check was left out. */
export class Skipped extends Error {}
