import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { getChangedPackagesSinceRef, getDivergedCommit } from '@changesets/git';
import { readChangesets } from '@changesets/read';
import { getPackages, type Package } from '@manypkg/get-packages';

/**
 * What changesets would let pass, as messages for a person: majors that would release other packages unasked, and, with `since`, packages whose
 * published files changed since that git ref without a changeset. Empty if all is well.
 */
export async function findProblems(root: string, since?: string): Promise<string[]> {
  const { packages } = await getPackages(root);
  const published = packages.filter(({ packageJson }) => !packageJson.private);
  return [...(await majorsUndecided(root, published)), ...(since ? await changesUndescribed(root, since) : [])];
}

/** A major ends the range of every package that depends on it: changesets would release them all, as patches. Naming each in a changeset is the decision. */
async function majorsUndecided(root: string, packages: readonly Package[]): Promise<string[]> {
  const changesets = await readChangesets(root);
  const named = new Set(changesets.flatMap(({ releases }) => releases.filter(({ type }) => type !== 'none').map(({ name }) => name)));
  return packages.flatMap(({ packageJson: { name, version } }) => {
    const asking = changesets.filter(({ releases }) => releases.some((release) => release.name === name && release.type === 'major'));
    const undecided = dependentsOf(name, packages).filter((dependent) => !named.has(dependent));
    if (asking.length === 0 || undecided.length === 0) return [];
    const next = `${Number(version.split('.')[0]) + 1}.0.0`;
    return [
      [
        `${asking.map(({ id }) => `.changeset/${id}.md`).join(', ')}: a major of ${name}, ${version} to ${next}, would release ${undecided.length} other packages.`,
        `Their ranges end before ${next}, so changesets would give each of them a patch that brings the new ${name} with it, unasked.`,
        'If the major is not meant: make it a minor that keeps what exists beside what is new.',
        'If it is, decide for each what its users notice, patch for nothing and major for anything that breaks, and name them all in changesets that say so:',
        ...undecided.map((dependent) => `'${dependent}': patch`),
      ].join('\n'),
    ];
  });
}

function dependentsOf(name: string, packages: readonly Package[]): string[] {
  return packages
    .filter(({ packageJson: { dependencies, peerDependencies } }) => name in { ...dependencies, ...peerDependencies })
    .map(({ packageJson }) => packageJson.name);
}

/** `changeset status --since` asks for any changeset at all; this asks for one that names each changed package. Tests and benches are not published. */
async function changesUndescribed(root: string, since: string): Promise<string[]> {
  const { changedFilePatterns } = JSON.parse(readFileSync(path.join(root, '.changeset/config.json'), 'utf8')) as { changedFilePatterns: string[] };
  const base = await getDivergedCommit(root, since);
  const changed = await getChangedPackagesSinceRef({ cwd: root, ref: since, changedFilePatterns });
  const named = new Set((await readChangesets(root, since)).flatMap(({ releases }) => releases.map(({ name }) => name)));
  return changed
    .filter(({ packageJson }) => !packageJson.private && !named.has(packageJson.name))
    .filter(({ dir, packageJson }) => versionAt(root, base, path.relative(root, dir)) === packageJson.version)
    .map(({ packageJson: { name } }) =>
      [
        `${name} changed since ${since}, but no changeset of this branch names it, so its users would never receive the change.`,
        `Run "npx changeset" and choose ${name}; if its users need not receive it, write a changeset with '${name}': none.`,
      ].join('\n'),
    );
}

/** Null for a package that is new since: its first version needs no changeset to be published. */
function versionAt(root: string, commit: string, folder: string): string | null {
  const file = `${commit}:${folder.replaceAll('\\', '/')}/package.json`;
  try {
    const text = execFileSync('git', ['show', file], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return null;
  }
}
