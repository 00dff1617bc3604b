import { type Button, provideVSCodeDesignSystem, vsCodeButton } from '@vscode/webview-ui-toolkit';
import { html, icon, setAttributes, setText } from './dom.js';

provideVSCodeDesignSystem().register(vsCodeButton());

export interface ButtonLook {
  /** The name, for everybody. */
  readonly label: string;
  /** Codicon in front of the label. */
  readonly icon?: string;
  /** Show the icon alone; the label stays the accessible name and the tooltip. */
  readonly iconOnly?: boolean;
  readonly appearance?: 'primary' | 'secondary' | 'icon';
  /** Longer name for a short label: `SVG` is “Save the chart as SVG”. */
  readonly description?: string;
  /** A toggle's state; left out for a plain button. */
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly hidden?: boolean;
}

export interface ButtonControl {
  readonly element: HTMLElement;
  update(look: ButtonLook): void;
}

/** A button in VS Code's look. It stays one element through every `update`, so it keeps the focus. */
export function button(look: ButtonLook, press: () => void): ButtonControl {
  const element = document.createElement('vscode-button') as Button;
  const label = document.createElement('span');
  label.className = 'button-label';
  let shownIcon: HTMLElement | undefined;
  const update = (next: ButtonLook): void => {
    const name = next.description ?? next.label;
    setAttributes(element, {
      'aria-label': name,
      title: next.iconOnly || next.description ? name : undefined,
      appearance: next.appearance ?? 'secondary',
      'aria-pressed': next.pressed === undefined ? undefined : String(next.pressed),
      disabled: next.disabled ?? false,
      hidden: next.hidden ?? false,
    });
    setText(label, next.label);
    label.hidden = next.iconOnly ?? false;
    const iconClass = next.icon === undefined ? undefined : `codicon codicon-${next.icon}`;
    if (shownIcon?.className !== iconClass) {
      shownIcon?.remove();
      shownIcon = next.icon === undefined ? undefined : icon(next.icon);
      if (shownIcon) element.prepend(shownIcon);
    }
  };
  element.append(label);
  update(look);
  element.addEventListener('click', press);
  return { element, update };
}

export interface Choice {
  readonly value: string;
  readonly text: string;
}

export interface PickerControl {
  readonly element: HTMLElement;
  /** Show these choices; the list is only rebuilt where it differs. */
  update(choices: readonly Choice[], chosen: string, hidden?: boolean): void;
}

/** One of several: the platform's own list under a label, in VS Code's look. */
export function picker(label: string, choose: (value: string) => void): PickerControl {
  const select = html('select');
  const element = html('label', { class: 'picker' }, html('span', {}, label), select);
  let shown = '';
  select.addEventListener('change', () => choose(select.value));
  return {
    element,
    update(choices, chosen, hidden = false) {
      const key = JSON.stringify(choices);
      if (key !== shown) {
        shown = key;
        select.replaceChildren(...choices.map(({ value, text }) => html('option', { value }, text)));
      }
      select.value = chosen;
      element.hidden = hidden;
    },
  };
}
