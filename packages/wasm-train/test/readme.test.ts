import { fileURLToPath } from 'node:url';
import { testReadme } from '@saccade/testkit';

testReadme(fileURLToPath(new URL('..', import.meta.url)));
