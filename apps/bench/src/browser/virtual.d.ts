/** The packages that take part, as the bundler finds them. */
declare module 'virtual:saccade-packages' {
  export const packages: readonly import('../compare/packages.ts').BenchPackage[];
}
