import type { Watch } from '../engine/sampling.ts';

/** Whether a run is paused, for all who have to know: a measurement, a clock, whoever shows it. */
export class Pauses implements Watch {
  #paused = false;
  #count = 0;
  readonly #listeners = new Set<(paused: boolean) => void>();

  get paused(): boolean {
    return this.#paused;
  }

  set(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#count++;
    for (const listener of this.#listeners) listener(paused);
  }

  /** Calls `listener` at each change, until the function that is returned is called. */
  onChange(listener: (paused: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  disturbances(): number {
    return this.#count;
  }

  calm(): Promise<void> {
    if (!this.#paused) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.onChange(() => {
        stop();
        resolve();
      });
    });
  }
}
