import { serialization } from '@tensorflow/tfjs-core';
import { ChannelGating } from './channel-gating.js';

serialization.registerClass(ChannelGating);

export { ChannelGating, channelGating, type ChannelGatingOptions, type Excitation, type Squeeze } from './channel-gating.js';
