/** A saved model as a file of this folder. TensorFlow.js itself writes files in Node only with tfjs-node. */
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('saved.json', import.meta.url);

export const toFile = {
  save: async ({ modelTopology, weightSpecs, weightData }) => {
    writeFileSync(file, JSON.stringify({ modelTopology, weightSpecs, weightData: Buffer.from(weightData).toString('base64') }));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  },
};

export const fromFile = {
  load: async () => {
    const { weightData, ...artifacts } = JSON.parse(readFileSync(file, 'utf8'));
    return { ...artifacts, weightData: new Uint8Array(Buffer.from(weightData, 'base64')).buffer };
  },
};
