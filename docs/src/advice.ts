/** What no code can tell of a layer: where it looks, how its work grows, and when to take it. */
export interface Advice {
  /** What it attends to. */
  readonly attendsTo: string;
  /** How its multiply-adds grow with C channels and P = H·W positions; constants and lower terms left out. */
  readonly work: string;
  /** When to take it. */
  readonly when: string;
  /** Where its paper puts it. */
  readonly place: string;
}

/** A part of the decision table. */
export interface Group {
  readonly title: string;
  readonly intro: string;
  readonly layers: Readonly<Record<string, Advice>>;
}

const BRANCH_END = 'at the end of every residual branch, after its last batch norm and before the addition';
const SEGMENTATION_HEAD = 'on the last features of a ResNet whose last two stages are dilated instead of strided (1/8 of the image)';

/** Advice for every layer, by its class's name. A test fails for a layer without. */
export const groups: readonly Group[] = [
  {
    title: 'Which channels matter',
    intro:
      'One gate for each channel, or one context for all positions. Where the work does not grow with P·C², it is next to nothing beside a convolution, and any place in a network will do.',
    layers: {
      SqueezeExcite: {
        attendsTo: 'channels, by their means',
        work: 'C²',
        when: 'A first choice for classification, and what most released networks with attention have.',
        place: `${BRANCH_END}; in MobileNetV3 after the depthwise convolution`,
      },
      EfficientChannelAttention: {
        attendsTo: 'channels, by the means of their neighbours',
        work: 'C',
        when: 'The network must not grow: a handful of parameters for any number of channels.',
        place: `${BRANCH_END}; in MobileNetV2 after the projection`,
      },
      GatherExcite: {
        attendsTo: 'each channel, by its own mean over the map or over nearby pixels',
        work: '0; with parameters P·C',
        when: 'No parameters at all, or gates that differ from region to region (`extent`).',
        place: BRANCH_END,
      },
      ChannelGate: {
        attendsTo: 'channels, by their means and maxima',
        work: 'C²',
        when: 'The channel half of CBAM: single strong responses count, and not means alone.',
        place: BRANCH_END,
      },
      ChannelGating: {
        attendsTo: 'channels, by whatever you choose',
        work: 'C², C or P·C, as chosen',
        when: 'You search: nine ways to squeeze a channel, four to make gates of the values.',
        place: 'wherever squeeze-and-excitation goes',
      },
      GlobalContext: {
        attendsTo: 'positions, for one context that all of them receive',
        work: 'P·C + C²',
        when: 'The context of a non-local block at about the price of squeeze-and-excitation; for a network that is trained already, since it starts as the identity.',
        place: 'at the end of the residual branches of the last three stages',
      },
      SimplifiedNonLocal: {
        attendsTo: 'positions, for one context that all of them receive',
        work: 'P·C²',
        when: 'To compare with, or to load such weights; otherwise take global context.',
        place: 'in the last stage but one of the backbone, once',
      },
      GlobalSecondOrderPooling: {
        attendsTo: 'channels, by how they vary together',
        work: 'P·C',
        when: 'Means say too little, as with textures or fine-grained classes, and the parameters are affordable.',
        place: 'at the end of the last residual branch of each stage',
      },
      ChannelAffinityAttention: {
        attendsTo: 'channels, each to all others',
        work: 'P·C²',
        when: 'Segmentation, beside position attention.',
        place: SEGMENTATION_HEAD,
      },
    },
  },
  {
    title: 'Which channels and where',
    intro:
      'Gates that also differ from position to position. Every position is still judged from pooled values or its own neighbourhood, so that the work grows with P, and not with its square.',
    layers: {
      CBAM: {
        attendsTo: 'channels, then positions',
        work: 'C² + P',
        when: 'You want to know where the network looks, at little more than the price of squeeze-and-excitation.',
        place: BRANCH_END,
      },
      SpatialGate: {
        attendsTo: 'positions, by mean and maximum over the channels',
        work: 'P',
        when: 'The spatial half of CBAM, for about a hundred parameters.',
        place: BRANCH_END,
      },
      BAM: {
        attendsTo: 'channels and positions at once, in a wide neighbourhood',
        work: 'P·C²',
        when: 'Few places instead of every block: three blocks in a whole ResNet.',
        place: 'once after each of the first three stages, before the map gets smaller',
      },
      CoordinateAttention: {
        attendsTo: 'rows and columns, channel by channel',
        work: '(H + W)·C²',
        when: 'Mobile networks, above all for detection and segmentation, where it matters in which row and column something is.',
        place: 'MobileNetV2: after the depthwise convolution, before the projection, in all blocks but the first',
      },
      TripletAttention: {
        attendsTo: 'pairs of height, width and channels',
        work: '(H + W)·C + P',
        when: 'Three hundred parameters for any number of channels, and one layer for maps of different numbers of channels.',
        place: `${BRANCH_END}; in MobileNetV2 after the projection`,
      },
      GlobalLocalAttention: {
        attendsTo: 'channels and positions at once, each position from its own features',
        work: 'P·C²',
        when: 'Attention itself is supervised, as by maps of where people look; deep stages with small maps.',
        place: 'before the blocks of the last stage but one',
      },
      PositionSecondOrderPooling: {
        attendsTo: 'positions, by how they vary together',
        work: 'P·C',
        when: 'To compare with its twin over channels, or to load such networks.',
        place: 'at the end of the last residual branch of each stage',
      },
      SqueezeAxialAttention: {
        attendsTo: 'rows to rows and columns to columns, each squeezed to its mean',
        work: 'P·C + H² + W²',
        when: 'Segmentation on small devices: context from everywhere without attention among all positions.',
        place: 'in the transformer blocks of the last stages',
      },
    },
  },
  {
    title: 'What belongs together, however far apart',
    intro:
      'Each position takes from other positions what resembles it, or what it asks for. The work grows with P² where all pairs count, so that these belong on small maps or where nothing else will do; memory grows with P alone in all of them.',
    layers: {
      NonLocal: {
        attendsTo: 'positions, each to all others',
        work: 'P²·C',
        when: 'Long range in images, sequences and videos; one to five blocks in a trained backbone, since it starts as the identity.',
        place: 'between residual blocks: one before the last block of the last stage but one, or five over the two middle stages',
      },
      PositionAttention: {
        attendsTo: 'positions, each to all others',
        work: 'P²·C',
        when: 'Segmentation; alone where the two-branch head of DANet is too much.',
        place: SEGMENTATION_HEAD,
      },
      BaseObjectContext: {
        attendsTo: 'positions, each to all that are alike',
        work: 'P²·C',
        when: 'Segmentation: features of the object that a pixel lies in; `sizes: [2]` costs a sixth on large maps.',
        place: SEGMENTATION_HEAD,
      },
      PyramidObjectContext: {
        attendsTo: 'positions, within the cells of several grids',
        work: 'P²·C',
        when: 'Objects of very different sizes, at the highest price of the three.',
        place: SEGMENTATION_HEAD,
      },
      MultiHeadSelfAttention2D: {
        attendsTo: 'positions, each to all others, in several heads',
        work: 'P²·C',
        when: 'A transformer layer on a feature map of any size, with the absolute positions of DETR or MAE.',
        place: 'in an encoder on the last features of a backbone',
      },
      BottleneckSelfAttention: {
        attendsTo: 'positions, each to all others, knowing how far apart they lie',
        work: 'P²·C',
        when: 'In place of a 3×3 convolution, where the size of the map is fixed.',
        place: 'instead of the three 3×3 convolutions of the last stage',
      },
      SelfAttention2D: {
        attendsTo: 'positions, each to all windows of 2×2 pixels',
        work: 'P²·C',
        when: 'Generative adversarial networks; starts as the identity.',
        place: 'where generator and discriminator have 32×32 maps',
      },
      CrissCrossAttention: {
        attendsTo: 'positions of the own row and column; in two loops, all',
        work: 'P·(H + W)·C',
        when: 'Large maps, as in segmentation, where P² is out of reach; starts as the identity.',
        place: SEGMENTATION_HEAD,
      },
      AxialAttention: {
        attendsTo: 'positions of the own row and column, in several heads',
        work: 'P·(H + W)·C',
        when: 'Transformers for sequences, images and videos too large for P².',
        place: 'in transformer layers of their own',
      },
      PositionSensitiveAxialAttention: {
        attendsTo: 'positions of the own row, or column, knowing how far apart they lie',
        work: 'P·(H or W)·C',
        when: 'Your own blocks after Axial-DeepLab, where the size of the map is fixed.',
        place: 'in pairs, instead of 3×3 convolutions',
      },
      DoubleAttention: {
        attendsTo: 'a few descriptors, gathered from all positions',
        work: 'P·C²',
        when: 'Context of all positions at a price that grows with P alone; videos.',
        place: 'after residual blocks of the two middle stages',
      },
    },
  },
  {
    title: 'Instead of a convolution or a whole block',
    intro:
      'These do not join a layer, they take its place: convolutions with attention built in, residual blocks made of them, and heads for segmentation.',
    layers: {
      SelectiveKernel: {
        attendsTo: 'kernel sizes, channel by channel',
        work: 'P·C²',
        when: 'Objects of many sizes: each image chooses how wide the network looks.',
        place: 'instead of the grouped 3×3 convolution of a ResNeXt bottleneck',
      },
      SelectiveKernelUnit: {
        attendsTo: 'kernel sizes, channel by channel',
        work: 'P·C²',
        when: 'The residual block around it, to build SKNets.',
        place: 'instead of every bottleneck',
      },
      SelfCalibratedConv: {
        attendsTo: 'positions and channels, seen from a pooled view',
        work: 'P·C²',
        when: 'A wider view than a 3×3 convolution has, at about twice its work.',
        place: 'on half of the channels of every bottleneck',
      },
      SelfCalibratedBottleneck: {
        attendsTo: 'positions and channels, seen from a pooled view',
        work: 'P·C²',
        when: 'A residual block with no more parameters than the plain one.',
        place: 'instead of every bottleneck',
      },
      AttentionAugmentedConv: {
        attendsTo: 'positions, each to all others, knowing how far apart they lie',
        work: 'P²·C + P·C²',
        when: 'Part of a convolution should see everything; the size of the map is fixed.',
        place: 'instead of the 3×3 convolutions of the last three stages',
      },
      ResidualAttentionModule: {
        attendsTo: 'positions and channels, from coarse to fine',
        work: 'P·C²',
        when: 'Very deep networks: a mask from an hourglass beside the trunk.',
        place: 'between the residual blocks of each stage, with depth 3, 2 and 1',
      },
      ResidualUnit: {
        attendsTo: 'nothing: a pre-activation residual unit',
        work: 'P·C²',
        when: 'What a residual attention network is made of between its modules.',
        place: 'between the modules',
      },
      GlobalSecondOrderBottleneck: {
        attendsTo: 'channels or positions, by how they vary together',
        work: 'P·C²',
        when: 'The residual block around second-order pooling, to build GSoP networks.',
        place: 'as the last bottleneck of each stage',
      },
      BottleneckTransformerBlock: {
        attendsTo: 'positions, each to all others, knowing how far apart they lie',
        work: 'P²·C + P·C²',
        when: 'The last stage of a ResNet, to make it a BoTNet.',
        place: 'instead of the three bottlenecks of the last stage',
      },
      AxialBlock: {
        attendsTo: 'positions of the own row and column, knowing how far apart they lie',
        work: 'P·(H + W)·C + P·C²',
        when: 'A network without spatial convolutions after its stem.',
        place: 'instead of every bottleneck',
      },
      SeaFormerBlock: {
        attendsTo: 'rows to rows and columns to columns',
        work: 'P·C²',
        when: 'A transformer block for segmentation on small devices.',
        place: 'in the last two stages, of the large network three',
      },
      RecurrentCrissCrossHead: {
        attendsTo: 'positions of the own row and column; in two loops, all',
        work: 'P·C² + P·(H + W)·C',
        when: 'The whole segmentation head of CCNet, logits included.',
        place: SEGMENTATION_HEAD,
      },
      DualAttentionHead: {
        attendsTo: 'positions and channels, in two branches',
        work: 'P²·C + P·C²',
        when: 'The whole segmentation head of DANet, with three losses.',
        place: SEGMENTATION_HEAD,
      },
      ASPObjectContext: {
        attendsTo: 'positions that are alike, beside atrous convolutions',
        work: 'P²·C + P·C²',
        when: 'An atrous spatial pyramid whose view of the whole image is object context.',
        place: SEGMENTATION_HEAD,
      },
    },
  },
];

/** The advice for a layer, if there is any. */
export function adviceFor(layer: string): Advice | undefined {
  return groups.map(({ layers }) => layers[layer]).find((advice) => advice !== undefined);
}
