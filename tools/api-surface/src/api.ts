import { dirname, resolve, sep } from 'node:path';
// TypeScript 6: the native compiler has no interface for programs.
import ts from 'typescript';
import type { PublishedPackage } from './packages.ts';

export interface PackageApi {
  readonly name: string;
  /** The file of the snapshot. It lies in the package's folder, as all does that belongs to a package; it is not published. */
  readonly file: string;
  /** All that an application can import from the package, with its types, as text that changes when these do, and only then. */
  readonly text: string;
}

/**
 * The public APIs of built packages.
 *
 * @throws if a package is not built
 */
export function apisOf(packages: readonly PublishedPackage[]): PackageApi[] {
  const program = programOf(packages.flatMap(({ entries }) => Object.values(entries)));
  return packages.map((it) => ({ name: it.name, file: resolve(it.folder, 'api.txt'), text: describe(program, it) }));
}

/** The declaration files alone: what other packages declare stays a name, so that the text does not depend on them. */
function programOf(files: string[]): ts.Program {
  const options = { noLib: true, types: [], module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
  const host = ts.createCompilerHost(options);
  const declarationsOf = (from: string, path: string) => resolve(dirname(from), path.replace(/\.js$/, '.d.ts'));
  host.resolveModuleNameLiterals = (literals, from) =>
    literals.map(({ text }) => ({
      resolvedModule: text.startsWith('.') ? { resolvedFileName: declarationsOf(from, text), extension: ts.Extension.Dts } : undefined,
    }));
  return ts.createProgram(files, options, host);
}

function describe(program: ts.Program, { name, folder, entries }: PublishedPackage): string {
  const checker = program.getTypeChecker();
  const exports = Object.entries(entries).map(([entry, file]) => [entry, exportsOf(checker, moduleOf(program, file))] as const);
  const named = new Set(exports.flatMap(([, symbols]) => [...symbols.values()].flatMap((symbol) => membersOf(checker, symbol))));
  const parts = exports.map(([entry, symbols]) =>
    section(
      `${name}${entry.slice(1)}`,
      [...symbols].map(([name, symbol]) => show(checker, name, symbol)),
    ),
  );
  const others = [...reachable(checker, named, resolve(folder) + sep)].map((symbol) => show(checker, symbol.name, symbol));
  return [...parts, ...(others.length > 0 ? [section('Not importable, but part of the above', others)] : [])].join('\n');
}

function section(title: string, texts: readonly string[]): string {
  // By code units: the same order in every locale.
  return `## ${title}\n\n${texts.toSorted().join('\n\n') || '(nothing)'}\n`;
}

function moduleOf(program: ts.Program, file: string): ts.Symbol {
  const source = program.getSourceFile(file);
  const symbol = source && program.getTypeChecker().getSymbolAtLocation(source);
  if (!symbol) throw new Error(`${file} is not there, or exports nothing. Build the packages first: npm run build.`);
  return symbol;
}

function exportsOf(checker: ts.TypeChecker, module: ts.Symbol): Map<string, ts.Symbol> {
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, original(checker, symbol)]));
}

function original(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** Declarations of the package that those of `named` use by name, or that those use in turn. */
function reachable(checker: ts.TypeChecker, named: ReadonlySet<ts.Symbol>, folder: string): Set<ts.Symbol> {
  const found = new Set<ts.Symbol>();
  const visit = (node: ts.Node): void => {
    const symbol = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
    if (symbol) follow(original(checker, symbol));
    ts.forEachChild(node, visit);
  };
  const follow = (symbol: ts.Symbol): void => {
    const [declaration] = statementsOf(symbol);
    const isOurs = declaration && ts.isSourceFile(declaration.parent) && resolve(declaration.getSourceFile().fileName).startsWith(folder);
    if (!isOurs || named.has(symbol) || found.has(symbol)) return;
    found.add(symbol);
    for (const statement of statementsOf(symbol)) visit(withoutPrivate(statement));
  };
  for (const statement of [...named].flatMap(statementsOf)) visit(withoutPrivate(statement));
  return found;
}

/** What `export * as` makes of a module, by its members; all else as it is. */
function membersOf(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol[] {
  return isModule(symbol) ? [...exportsOf(checker, symbol).values()] : [symbol];
}

function isModule(symbol: ts.Symbol): boolean {
  return symbol.declarations?.some((declaration) => ts.isSourceFile(declaration)) ?? false;
}

function statementsOf(symbol: ts.Symbol): ts.Node[] {
  const declarations = symbol.declarations ?? [];
  return declarations.map((declaration) => (ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration));
}

function withoutPrivate(node: ts.Node): ts.Node {
  if (!ts.isClassDeclaration(node)) return node;
  const isPublic = (member: ts.ClassElement) =>
    !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) && !(member.name && ts.isPrivateIdentifier(member.name));
  return ts.factory.updateClassDeclaration(node, node.modifiers, node.name, node.typeParameters, node.heritageClauses, node.members.filter(isPublic));
}

const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });

function show(checker: ts.TypeChecker, name: string, symbol: ts.Symbol): string {
  if (isModule(symbol)) {
    const members = [...exportsOf(checker, symbol)].map(([name, member]) => show(checker, name, member));
    return `namespace ${name} {\n${members.toSorted().join('\n').replaceAll(/^/gm, '    ')}\n}`;
  }
  const texts = statementsOf(symbol).map((node) => printer.printNode(ts.EmitHint.Unspecified, withoutPrivate(node), node.getSourceFile()));
  const text = texts.map((text) => text.replace(/^(export )?(default )?(declare )?/, '')).join('\n');
  return symbol.name === name ? text : `${text}\nexport { ${symbol.name} as ${name} }`;
}
