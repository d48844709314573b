import { rmSync } from 'node:fs';
import {
  Application,
  Reflection,
  ReflectionKind,
  TSConfigReader,
  type CommentDisplayPart,
  type DeclarationReflection,
  type ProjectReflection,
} from 'typedoc';
import type { PluginOptions } from 'typedoc-plugin-markdown';
import type { Package } from './packages.ts';

const MARKDOWN: PluginOptions = {
  outputFileStrategy: 'modules',
  entryFileName: 'index',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  // As VitePress writes them: the two number headings of the same name in different ways.
  useCustomAnchors: true,
  customAnchorsFormat: 'curlyBrace',
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  pageTitleTemplates: { index: 'API', module: ({ kind, name }) => (kind === 'Module' ? `API of ${name}` : `${kind} ${name}`) },
};

/** The API reference: one page for each entry of each package, read from the types in its sources. */
export class Api {
  readonly #app: Application;
  readonly #project: ProjectReflection;

  private constructor(app: Application, project: ProjectReflection) {
    this.#app = app;
    this.#project = project;
  }

  /**
   * @param tsconfig by which the packages find each other's sources
   * @throws Error where sources cannot be read, or a link in a comment leads nowhere
   */
  static async read(packages: readonly Package[], tsconfig: string): Promise<Api> {
    const entries = packages.flatMap((each) => each.entries);
    const app = await Application.bootstrapWithPlugins(
      {
        entryPoints: entries.map(({ source }) => source),
        tsconfig,
        plugin: ['typedoc-plugin-markdown'],
        excludePrivate: true,
        excludeProtected: true,
        excludeExternals: true,
        readme: 'none',
        disableSources: true,
        // The repository is checked with its own, newer TypeScript.
        skipErrorChecking: true,
        validation: { notExported: false },
        treatValidationWarningsAsErrors: true,
        logLevel: 'Warn',
        ...MARKDOWN,
      },
      [new TSConfigReader()],
    );
    const project = await app.convert();
    if (!project) throw new Error('TypeDoc could not read the sources, as it says above.');
    linkImportedNames(project);
    app.validate(project);
    if (app.logger.hasErrors()) throw new Error('Comments in the sources have faults that TypeDoc names above.');
    nameModules(project, packages);
    nameParameters(project);
    leaveToBase(project);
    return new Api(app, project);
  }

  /** Writes the pages into a folder, in place of those that are there. */
  async write(folder: string): Promise<void> {
    rmSync(folder, { recursive: true, force: true });
    this.#app.options.setValue('outputs', [{ name: 'markdown', path: folder }]);
    await this.#app.generateOutputs(this.#project);
  }

  /** The functions that an entry exports, by name, and the first sentence of each one's comment, in Markdown. */
  functionsOf(specifier: string): { readonly name: string; readonly summary: string }[] {
    const module = this.#project.getChildByName([specifier]) as DeclarationReflection;
    return module.getChildrenByKind(ReflectionKind.Function).map(({ name, signatures }) => {
      const text = (signatures?.[0]?.comment?.summary ?? []).map(({ text }) => text).join('');
      return { name, summary: text.replaceAll('\n', ' ') };
    });
  }

  /**
   * What the comment of an option says, in Markdown.
   *
   * @throws Error for an option without a comment
   */
  optionComment(packageName: string, layer: string, option: string): string {
    const property = this.#project.getChildByName([`@saccade/${packageName}`, `${layer}Options`, option]);
    const text = property?.comment?.summary.map(({ text }: CommentDisplayPart) => text).join('');
    if (!text) throw new Error(`@saccade/${packageName}: the option "${option}" has no comment in an exported type ${layer}Options. Give it one.`);
    return text.replaceAll('\n', ' ');
  }
}

/** By what they are imported as; TypeDoc calls them by the paths of their sources. */
function nameModules(project: ProjectReflection, packages: readonly Package[]): void {
  const names = new Map(packages.flatMap(({ entries }) => entries.map(({ specifier, source }) => [source, specifier])));
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    const name = names.get(project.files.getReflectionPath(module) ?? '');
    if (!name) throw new Error(`No package says in its exports that it has the entry ${module.name}.`);
    module.name = name;
  }
}

/** TypeDoc does not follow a link to a name that the comment's file imports, as most do to BlockError. */
function linkImportedNames(project: ProjectReflection): void {
  const exported = project.getReflectionsByKind(ReflectionKind.SomeExport);
  for (const { comment } of Object.values(project.reflections)) {
    const parts = [comment?.summary ?? [], ...(comment?.blockTags ?? []).map(({ content }) => content)].flat();
    for (const part of parts) {
      if (part.kind !== 'inline-tag' || typeof part.target === 'string' || part.target instanceof Reflection) continue;
      const found = exported.filter(({ name }) => name === part.text.trim());
      if (found.length === 1) part.target = found[0];
    }
  }
}

/** Parameters that a function takes apart where it declares them have no name of their own. */
function nameParameters(project: ProjectReflection): void {
  for (const parameter of project.getReflectionsByKind(ReflectionKind.Parameter)) {
    if (parameter.name === '__namedParameters') parameter.name = 'options';
  }
}

/** Takes out of each class what its base has and describes; what remains is listed by its group alone. */
function leaveToBase(project: ProjectReflection): void {
  const isOwn = ({ inheritedFrom, overwrites, kind }: DeclarationReflection): boolean =>
    kind === ReflectionKind.Constructor || (inheritedFrom ?? overwrites) === undefined;
  for (const type of project.getReflectionsByKind(ReflectionKind.Class) as DeclarationReflection[]) {
    for (const member of (type.children ?? []).filter((member) => !isOwn(member))) project.removeReflection(member);
    const groups = (type.groups ?? []).map((group) =>
      Object.assign(group, { children: group.children.filter((child) => isOwn(child as DeclarationReflection)) }),
    );
    type.groups = groups.filter(({ children }) => children.length > 0);
  }
}
