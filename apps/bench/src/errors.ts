/**
 * A failure that a user can do something about; its message says what was received, what is expected, and the fix. The command line prints
 * it without a stack and ends with its exit code: 2 where what was asked for cannot be followed, 1 where it went wrong, 130 where it
 * was interrupted.
 */
export class BenchError extends Error {
  override name = 'BenchError';
  readonly exitCode: 1 | 2 | 130;

  constructor(message: string, exitCode: 1 | 2 | 130 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
