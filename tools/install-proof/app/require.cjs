/** `node require.cjs ENTRY…`: as import.js, from CommonJS. */
require('@tensorflow/tfjs-backend-cpu');
const tf = { ...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-layers') };
const { cheapestLayer, modelWith, trainStep } = require('./exercise.js');

const [main] = process.argv.slice(2).map((entry) => require(entry));
const layer = cheapestLayer(main);
if (layer) {
  trainStep(tf, modelWith(tf, layer)).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
