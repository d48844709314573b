import { Component, type ComponentChildren } from 'preact';

interface GuardProps {
  readonly what: string;
  readonly children: ComponentChildren;
}

/** Tells what went wrong in a part of the page, of which the others know nothing: it could not be loaded, or drawn from what a file holds. */
export class Guard extends Component<GuardProps, { readonly error: Error | null }> {
  static override getDerivedStateFromError(error: Error) {
    return { error };
  }

  override state = { error: null as Error | null };

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <p class="notice error" role="alert">
        {this.props.what} cannot be shown: {error.message}. Reload the page to try again.
      </p>
    );
  }
}
