import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';

/** What a new block is called and where it is described. */
export interface NewBlock {
  /** The paper's short name, in kebab-case: the package's folder and name. */
  readonly name: string;
  /** URL of the paper. */
  readonly paper: string;
  /** The layer's class, in PascalCase. Default: the name's. */
  readonly className?: string;
}

const TEMPLATE = path.resolve(import.meta.dirname, '../template');
const FORMATTER = path.resolve(import.meta.dirname, '../../../node_modules/.bin/oxfmt');

/**
 * Writes `packages/<name>`: a block that builds, lints and passes all its tests but the one that asks for a golden.
 *
 * @param repository the repository's root
 * @returns the new package's folder
 * @throws where the name, the class or the URL cannot be used, or the package exists
 */
export function createBlock(repository: string, { name, paper, className = pascalCase(name) }: NewBlock): string {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new Error(`The name is "${name}", but must be the paper's short name in kebab-case, such as "eca" or "channel-gate".`);
  }
  if (!/^[A-Z][A-Za-z0-9]*$/.test(className)) {
    throw new Error(`The class is "${className}", but must be in PascalCase, ASCII letters and digits only, such as "EfficientChannelAttention".`);
  }
  if (!URL.canParse(paper) || !paper.startsWith('https://')) {
    throw new Error(`The paper is "${paper}", but must be an https URL, such as https://arxiv.org/abs/1910.03151.`);
  }
  const folder = path.join(repository, 'packages', name);
  if (existsSync(folder)) throw new Error(`packages/${name} exists. Choose another name, or remove the folder first.`);
  cpSync(TEMPLATE, folder, { recursive: true });
  const kebabClass = className.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase();
  const names: [from: string, to: string][] = [
    ['https://example.org/paper', paper],
    ['@saccade/template', `@saccade/${name}`],
    ['packages/template', `packages/${name}`],
    ['"template":', `"${name}":`],
    ['{ template: fromTorch }', `{ ${JSON.stringify(name).replaceAll('"', "'")}: fromTorch }`],
    ['TemplateBlock', className],
    ['templateBlock', className[0].toLowerCase() + className.slice(1)],
    ['template-block', kebabClass],
  ];
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
    const source = path.join(file.parentPath, file.name);
    const text = names.reduce((text, [from, to]) => text.replaceAll(from, to), readFileSync(source, 'utf8'));
    writeFileSync(source, text);
    renameSync(source, path.join(file.parentPath, file.name.replace('template-block', kebabClass)));
  }
  // Longer names break lines elsewhere.
  execFileSync(FORMATTER, [folder], { cwd: repository });
  return folder;
}

function pascalCase(name: string): string {
  return name
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}
