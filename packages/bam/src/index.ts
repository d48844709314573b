import { serialization } from '@tensorflow/tfjs-core';
import { BAM } from './bam.js';

serialization.registerClass(BAM);

export { BAM, bam, type BAMOptions } from './bam.js';
