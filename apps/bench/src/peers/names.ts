/** Libraries that blocks can be timed beside. */
export const PEERS = ['ort-web', 'torch'] as const;
export type PeerName = (typeof PEERS)[number];
