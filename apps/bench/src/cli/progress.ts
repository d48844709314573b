import type { WriteStream } from 'node:tty';
import { duration } from '../report/format.ts';

/** How often it is told how far a run is, in milliseconds. */
const EVERY = { terminal: 100, log: 15_000 };

/** Tells a human how far a run is: one line that is rewritten on a terminal, and now and then a line elsewhere. */
export class Progress {
  readonly #stream: WriteStream;
  readonly #start = performance.now();
  #last = -Infinity;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /**
   * @param label what is being measured
   * @param leftMs the time left of the whole run, in milliseconds
   */
  update(label: string, leftMs: number): void {
    const now = performance.now();
    if (now - this.#last < (this.#stream.isTTY ? EVERY.terminal : EVERY.log)) return;
    this.#last = now;
    const elapsed = now - this.#start;
    const left = Math.max(0, leftMs);
    const line = `${String(Math.floor((100 * elapsed) / (elapsed + left))).padStart(3)} %, about ${duration(left)} left: ${label}`;
    if (this.#stream.isTTY) this.#stream.write(`\r\u001b[2K${line.slice(0, this.#stream.columns - 1)}`);
    else this.#stream.write(`${line}\n`);
  }

  /** Takes the line off the terminal. */
  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[2K');
  }
}
