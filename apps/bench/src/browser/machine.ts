import type { Machine, Measured } from '../compare/environment.ts';

/** What browsers tell beyond the user agent's text, where they do. */
interface UserAgentData {
  readonly brands: readonly { readonly brand: string; readonly version: string }[];
  readonly platform: string;
  getHighEntropyValues(
    hints: readonly string[],
  ): Promise<{ readonly platformVersion?: string; readonly architecture?: string; readonly model?: string }>;
}

/** This device, as far as its browser tells. */
export async function machine(): Promise<Machine> {
  const { hardwareConcurrency, deviceMemory, userAgent, userAgentData } = navigator as Navigator & {
    readonly deviceMemory?: number;
    readonly userAgentData?: UserAgentData;
  };
  return {
    cpu: null,
    cores: hardwareConcurrency,
    memoryBytes: deviceMemory === undefined ? null : deviceMemory * 2 ** 30,
    ...(userAgentData ? await described(userAgentData) : parsed(userAgent)),
  };
}

async function described(data: UserAgentData): Promise<Pick<Machine, 'platform' | 'browser'>> {
  const { platformVersion, architecture, model } = await data.getHighEntropyValues(['platformVersion', 'architecture', 'model']);
  // One of the brands is there to be nonsense, so that nobody relies on the list.
  const known = data.brands.filter(({ brand }) => !/not.?a.?brand/i.test(brand));
  const brand = known.find((candidate) => candidate.brand !== 'Chromium') ?? known[0];
  return {
    browser: brand ? `${brand.brand} ${brand.version}` : 'unknown browser',
    platform: [data.platform, platformVersion, architecture, model].filter(Boolean).join(' '),
  };
}

function parsed(userAgent: string): Pick<Machine, 'platform' | 'browser'> {
  const [, name, version] = /(Firefox|FxiOS|CriOS|Chrome|Version)\/([\d.]+)/.exec(userAgent) ?? [];
  const browser = name === 'Version' ? 'Safari' : name;
  return { browser: browser ? `${browser} ${version}` : userAgent.slice(0, 100), platform: /\(([^)]*)\)/.exec(userAgent)?.[1] ?? 'unknown system' };
}

/** The versions and the commit of what the server serves; nothing of them where the page lies on a plain one. */
export async function measured(): Promise<Measured> {
  const response = await fetch('/about.json').catch(() => null);
  return response?.ok ? ((await response.json()) as Measured) : { versions: {}, commit: null };
}
