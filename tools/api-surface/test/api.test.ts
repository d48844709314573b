import { existsSync, readFileSync } from 'node:fs';
import { apisOf, publishedPackages } from '@saccade/api-surface';
import { expect, test } from 'vitest';

const packages = publishedPackages();
const fix = 'If that is meant, run `npm run api`, commit the result, and say what changes for whom: `npx changeset`.';

test('there are packages', () => {
  expect(packages.length).toBeGreaterThan(0);
});

test.each(apisOf(packages))('the public API of $name is that of its snapshot', ({ name, file, text }) => {
  const snapshot = existsSync(file) ? readFileSync(file, 'utf8') : '';
  expect(text, snapshot ? `The public API of ${name} changed. ${fix}` : `${name} has no snapshot of its public API. ${fix}`).toBe(snapshot);
});
