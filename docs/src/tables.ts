import type { Api } from './api.ts';
import { adviceFor, groups } from './advice.ts';
import { costOf, isTiedToSize, startsAsIdentity, type Layer } from './layers.ts';
import { short, table, whole } from './markdown.ts';
import { apiPage } from './package-page.ts';
import type { Package } from './packages.ts';

const linkTo = (layer: Layer): string => `[${layer.name}](/packages/${layer.package}.md)`;

/** All layers by what they attend to, with what they cost. */
export function decisionTables(layers: readonly Layer[]): string {
  return groups
    .map(({ title, intro, layers: advised }) => {
      const rows = layers
        .filter(({ name }) => name in advised)
        .toSorted((a, b) => Object.keys(advised).indexOf(a.name) - Object.keys(advised).indexOf(b.name))
        .map((layer) => {
          const { attendsTo, work, when } = advised[layer.name];
          const { params, macs } = costOf(layer);
          return [linkTo(layer), attendsTo, when, work.replaceAll(' ', '\u00A0'), whole(params), short(macs)];
        });
      return `## ${title}\n\n${intro}\n\n${table(['layer', 'attends to', 'take it when', 'work', 'params', 'mult-adds'], rows, { numbers: [4, 5] })}`;
    })
    .join('\n\n');
}

/** Where papers put their layers. */
export function placeTable(layers: readonly Layer[]): string {
  const places = Map.groupBy(
    layers.filter(({ name }) => adviceFor(name)),
    ({ name }) => adviceFor(name)!.place,
  );
  return table(
    ['where', 'layers'],
    [...places].toSorted(([, a], [, b]) => b.length - a.length).map(([place, layers]) => [place, listOf(layers)]),
  );
}

/** What makes layers of PyTorch's modules. */
export function adapterTable(packages: readonly Package[], api: Api): string {
  const rows = packages
    .filter(({ isBlock }) => isBlock)
    .flatMap((each) => {
      const specifier = `@saccade/${each.name}/torch`;
      return api
        .functionsOf(specifier)
        .map(({ name, summary }) => [`[\`${name}\`](${apiPage(each, specifier)}#${name.toLowerCase()})`, `\`${specifier}\``, summary]);
    });
  return table(['adapter', 'from', 'makes'], rows);
}

/** The layers that change nothing before they are trained. */
export function identityList(layers: readonly Layer[]): string {
  return listOf(layers.filter(({ options }) => options).filter(startsAsIdentity));
}

/** The layers that take maps of the size alone that they were built for. */
export function tiedList(layers: readonly Layer[]): string {
  return listOf(layers.filter(({ options }) => options).filter(isTiedToSize));
}

/** What the source of each layer says of its paper and of other implementations. */
export function papers(layers: readonly Layer[]): string {
  return layers.map((layer) => `### ${layer.name}\n\n${layer.provenance}\n\n[@saccade/${layer.package}](/packages/${layer.package}.md)`).join('\n\n');
}

function listOf(layers: readonly Layer[]): string {
  return layers.map(linkTo).join(', ');
}
