// What the parts of the page at / share: words said in passing, questions, items of lists.
import { say } from './text.js'

const TOAST_MS = 2_500

export const element = (id) => document.getElementById(id)

let toastTimer

export function announce(text) {
  element('announce').textContent = text
}

export function toast(text) {
  announce(text)
  element('toast').textContent = text
  element('toast').classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => element('toast').classList.remove('shown'), TOAST_MS)
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    toast(say('copied'))
    return
  } catch {
    // Only a page from a safe place may write there; any may copy what is selected.
  }
  const field = document.createElement('textarea')
  field.value = text
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  toast(say(done ? 'copied' : 'copy_failed'))
}

// A dialog; promises whether it was agreed to.
export function ask(dialog) {
  dialog.returnValue = 'cancel'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'ok'), { once: true })
  })
}

// An item from its <template>: the element, and its buttons' names for who cannot see beside what they stand.
export function makeItem(template, name, actions) {
  const item = element(template).content.firstElementChild.cloneNode(true)
  item.querySelector('.file-name').textContent = name
  for (const button of item.querySelectorAll('[data-do]')) {
    button.setAttribute('aria-label', say('action_of', { action: button.textContent, name }))
    button.onclick = () => actions[button.dataset.do](button)
  }
  return item
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

// Removes an item; who stood on it stands on what follows.
export function removeItem(item, instead) {
  const had = item.contains(document.activeElement)
  const next = item.nextElementSibling ?? item.previousElementSibling
  item.remove()
  if (had) (next?.querySelector('button:not([hidden])') ?? instead).focus()
}
