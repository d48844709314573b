import { testReadme } from '@saccade/testkit';
import * as path from 'node:path';

testReadme(path.resolve(import.meta.dirname, '..'));
