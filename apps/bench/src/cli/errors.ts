import { nearest } from '@saccade/core';
import { BenchError } from '../errors.ts';

/** A command line that cannot be followed: what was received, what there is, and the nearest guess. */
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
