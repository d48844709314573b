import { defineConfig, type DefaultTheme } from 'vitepress';
import { findPackages, type Package } from '../src/packages.ts';

const packages = findPackages();

/** What a README says that its package is: in "CBAM, the convolutional block attention module, as TensorFlow.js layers", what stands after the short name. */
function subjectOf({ readme }: Package): string {
  const sentence = readme.split('\n\n')[1].replaceAll('\n', ' ');
  const [subject, explanation] = sentence.split(/ as (?:a |one )?TensorFlow\.js/)[0].split(', ');
  const name = (/^[A-Z]+$/.test(subject) && explanation ? explanation : subject).replace(/^the /i, '').replace(/,$| \(.*\)$/, '');
  if (!sentence.includes('TensorFlow.js layer')) return '';
  return /^[A-Z][a-z]/.test(name) ? name[0].toLowerCase() + name.slice(1) : name;
}

const page = (each: Package): DefaultTheme.SidebarItem => ({
  text: `${each.name} <small>${subjectOf(each)}</small>`,
  link: `/packages/${each.name}`,
});

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
      { text: 'What the kernels save', link: '/guide/kernels' },
      { text: 'Your own block', link: '/guide/own-block' },
      { text: 'What differs from the papers', link: '/guide/papers' },
      { text: 'Architecture', link: '/architecture' },
    ],
  },
  { text: 'Blocks', collapsed: false, items: packages.filter(({ isBlock }) => isBlock).map(page) },
  { text: 'Other packages', items: packages.filter(({ isBlock }) => !isBlock).map(page) },
  { text: 'API', link: '/api/' },
];

export default defineConfig({
  title: 'Saccade',
  description: 'The attention blocks of computer vision as TensorFlow.js layers, one npm package each',
  // No request for an icon that there is not.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  // What pages include.
  srcExclude: ['generated/**', 'src/**'],
  themeConfig: {
    nav: [
      { text: 'Choosing a block', link: '/guide/choosing' },
      { text: 'Into your model', link: '/guide/models' },
      { text: 'Benchmark', link: '/guide/benchmark' },
      { text: 'API', link: '/api/' },
    ],
    sidebar,
    outline: [2, 3],
    search: {
      provider: 'local',
      // A package's page before the signatures of its functions.
      options: { miniSearch: { searchOptions: { boostDocument: (id: string) => (id.startsWith('/api/') ? 0.2 : 1) } } },
    },
  },
});
