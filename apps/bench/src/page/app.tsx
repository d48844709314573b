import { computed, effect, signal, useSignalEffect } from '@preact/signals';
import { lazy, Suspense } from 'preact/compat';
import { duration } from '../report/format.ts';
import { Compare } from './compare/compare.tsx';
import { Guard } from './guard.tsx';
import { dismiss, notices, progress, running, type Notice } from './state.ts';

const Look = lazy(async () => ({ default: (await import('./look/look.tsx')).Look }));

const VIEWS = { compare: 'Compare', look: 'Look' } as const;
type View = keyof typeof VIEWS;

const view = signal<View>(viewIn(location.hash));
addEventListener('hashchange', () => (view.value = viewIn(location.hash)));

const title = computed(() => {
  const name = `${VIEWS[view.value]} · Saccade benchmark`;
  if (!running.value || !progress.value) return name;
  const { status, fraction } = progress.value;
  return `${status === 'running' ? `${Math.floor(100 * fraction)} %` : status} · ${name}`;
});

/** The page: one view to compare blocks in, one to look at what they attend to. */
export function App() {
  useSignalEffect(() => {
    document.title = title.value;
  });
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <header class="top">
        <p class="brand">
          Saccade <span>benchmark</span>
        </p>
        <nav aria-label="Views">
          {Object.entries(VIEWS).map(([name, label]) => (
            <a key={name} href={`#${name}`} aria-current={view.value === name ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1}>
        <Notices />
        {view.value === 'look' ? (
          <>
            <Elsewhere />
            <Guard what="This view">
              <Suspense fallback={<p class="quiet">Loading…</p>}>
                <Look />
              </Suspense>
            </Guard>
          </>
        ) : (
          <Compare />
        )}
      </main>
    </>
  );
}

/** In the other view: that a run is under way. */
function Elsewhere() {
  if (!running.value || !progress.value) return null;
  const { status, leftMs } = progress.value;
  return (
    <p class="notice info">
      <span>
        A run is under way ({status}
        {leftMs !== null && `, about ${duration(leftMs)} left`}). What you compute here disturbs its timings. <a href="#compare">Back to it</a>
      </span>
    </p>
  );
}

function Notices() {
  return (
    <div role="alert">
      {notices.value.map((notice) => (
        <NoticeLine key={notice.text} notice={notice} />
      ))}
    </div>
  );
}

function NoticeLine({ notice }: { notice: Notice }) {
  return (
    <p class={`notice ${notice.tone}`}>
      <span>{notice.text}</span>
      <button type="button" class="plain" aria-label="Dismiss this message" onClick={() => dismiss(notice)}>
        ×
      </button>
    </p>
  );
}

/** The hash names the view, so that it cannot name the target as well. */
function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main')!.focus();
}

function viewIn(hash: string): View {
  return /^#look\b/.test(hash) ? 'look' : 'compare';
}

// A run that is under way is lost with its page.
effect(() => {
  const ask = (event: BeforeUnloadEvent) => event.preventDefault();
  if (!running.value) return undefined;
  addEventListener('beforeunload', ask);
  return () => removeEventListener('beforeunload', ask);
});
