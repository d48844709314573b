import type { Project } from '../project.ts';
import { CORE, SINGLE } from '../tarballs.ts';

/** @throws where a package is not installed exactly once */
export function expectSingle(names: readonly string[], project: Project): void {
  for (const name of names) {
    const places = project.copiesOf(name).map(({ place }) => place);
    if (places.length !== 1) throw new Error(`there are ${places.length} copies of ${name}, where one is needed: ${places.join(', ')}`);
  }
}

/** Packages installed together share one core and one TensorFlow.js. */
export function provesShared(project: Project): string {
  expectSingle([CORE, ...SINGLE], project);
  return `${project.installed().filter(({ name }) => name.startsWith('@saccade/')).length} packages`;
}
