/** Licences of software that Apache-2.0 software may depend on without a condition beyond naming it. */
const ALLOWED = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC0-1.0', 'ISC', 'MIT', 'Unlicense']);

/** package-lock.json, as far as it counts here: what is installed where, on whatever platform. */
export interface Lock {
  readonly packages: Readonly<Record<string, Installed>>;
}

interface Installed {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  /** Where a link leads, for workspaces. */
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** What is needed at run time. */
export interface Dependency {
  readonly version: string;
  /** As its package.json has it, an SPDX expression; null where it has none. */
  readonly license: string | null;
  /** The packages through which it is needed, the first one first, its own name last. */
  readonly path: readonly string[];
}

/**
 * All that a workspace needs at run time: its dependencies and peers, theirs, and so on. Workspaces themselves are passed through.
 *
 * @param workspace its folder in the repository, such as `packages/se`
 */
export function dependenciesOf(lock: Lock, workspace: string): Dependency[] {
  const found = new Map<string, Dependency>();
  const visit = (location: string, path: readonly string[]): void => {
    const { dependencies, optionalDependencies, peerDependencies } = lock.packages[location];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const place = locate(lock, location, name);
      // A peer that is optional and absent.
      if (place === null || found.has(place)) continue;
      const { version = '', license = null } = lock.packages[place];
      found.set(place, { version, license, path: [...path, name] });
      visit(place, [...path, name]);
    }
  };
  if (!lock.packages[workspace]) throw new Error(`package-lock.json knows no workspace ${workspace}. Run npm install.`);
  visit(workspace, [lock.packages[workspace].name ?? workspace]);
  return [...found.values()];
}

/** Where Node finds a package that another one asks for: in the nearest node_modules. */
function locate({ packages }: Lock, from: string, name: string): string | null {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const place = `${folder}/node_modules/${name}`.replace(/^\//, '');
    const installed = packages[place];
    if (installed) return installed.link ? installed.resolved! : place;
    if (folder === '') return null;
  }
}

/** What keeps a dependency from being used, and what to do; null where nothing does. */
export function complaint({ version, license, path }: Dependency): string | null {
  if (license !== null && isAllowed(license)) return null;
  const what = license === null ? 'states no licence' : `is under ${license}`;
  return (
    `${path.at(-1)} ${version} (${path.join(' > ')}) ${what}; allowed are ${[...ALLOWED].join(', ')}. ` +
    'Replace it, make it a devDependency if it only builds, or add its licence to ALLOWED in tools/licences if it asks for nothing but to be named.'
  );
}

/** `MIT`, `(MIT OR GPL-3.0)`, `Apache-2.0 AND MIT`; nested ones are for people to judge. */
function isAllowed(expression: string): boolean {
  const alternatives = expression.replaceAll(/^\(|\)$/g, '').split(' OR ');
  return alternatives.some((alternative) => alternative.split(' AND ').every((license) => ALLOWED.has(license)));
}
