import { defineConfig, type DefaultTheme } from 'vitepress';
import { findPackages } from '../src/packages.ts';

const packages = findPackages();
const page = (name: string): DefaultTheme.SidebarItem => ({ text: `@saccade/${name}`, link: `/packages/${name}` });

const sidebar: DefaultTheme.SidebarItem[] = [
  {
    text: 'Guide',
    items: [
      { text: 'Choosing a block', link: '/guide/choosing' },
      { text: 'Into your model', link: '/guide/models' },
      { text: 'Fine-tuning', link: '/guide/fine-tuning' },
      { text: 'PyTorch weights', link: '/guide/pytorch' },
      { text: 'Training without a GPU', link: '/guide/training' },
      { text: 'The benchmark', link: '/guide/benchmark' },
      { text: 'Your own block', link: '/guide/own-block' },
      { text: 'What differs from the papers', link: '/guide/papers' },
      { text: 'Architecture', link: '/architecture' },
    ],
  },
  { text: 'Blocks', collapsed: false, items: packages.filter(({ isBlock }) => isBlock).map(({ name }) => page(name)) },
  { text: 'Other packages', items: packages.filter(({ isBlock }) => !isBlock).map(({ name }) => page(name)) },
  { text: 'API', link: '/api/' },
];

export default defineConfig({
  title: 'Saccade',
  description: 'The attention blocks of computer vision as TensorFlow.js layers, one npm package each',
  srcExclude: ['generated/**', 'src/**'],
  // What pages include stays out of the site's own pages, but is part of theirs.
  themeConfig: {
    nav: [
      { text: 'Choosing a block', link: '/guide/choosing' },
      { text: 'Into your model', link: '/guide/models' },
      { text: 'Benchmark', link: '/guide/benchmark' },
      { text: 'API', link: '/api/' },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
  },
});
