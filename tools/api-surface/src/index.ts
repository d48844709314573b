export { apisOf, type PackageApi } from './api.ts';
export { publishedPackages } from './packages.ts';
