import { nearest } from '@saccade/core';

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

/** What was asked for cannot be followed: what was received, what there is, and the nearest guess. */
export class UsageError extends BenchError {
  override name = 'UsageError';

  constructor(message: string) {
    super(message, 2);
  }
}

/** A {@link UsageError} for a name that is none of those there are. */
export function unknownName(what: string, received: string, known: readonly string[]): UsageError {
  const guess = nearest(received, known);
  return new UsageError(
    `Unknown ${what} "${received}". ${guess ? `Did you mean "${guess}"? ` : ''}There ${known.length === 1 ? 'is' : 'are'} ${known.join(', ') || 'none'}.`,
  );
}

/** A measurement that failed; the message says why, for the reader of a table. */
export class JobFailure extends BenchError {
  override name = 'JobFailure';
}
