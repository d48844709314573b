import { templateBlock } from '@saccade/template';
import { fromTorch } from '@saccade/template/torch';
import { testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as path from 'node:path';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/template',
  create: templateBlock,
  input: [2, 5, 7, 6],
  options: { gate: 'hardSigmoid' },
  costs: [[{}, [1, 14, 14, 256], 65_792, 65_536]],
  refused: [
    [
      { gate: 'softmax' },
      'TemplateBlock: option "gate" is "softmax", but must be "sigmoid" or "hardSigmoid". Leave it out for the default, "sigmoid".',
    ],
  ],
  refusedInputs: [[[null, 7, 6], /of rank 3, but must be \[N, height, width, channels\]/]],
});

testGoldens(path.join(folder, 'test/golden'), { template: fromTorch });

testReadme(folder);
