// How files come in: dropped, picked, pasted, single or by the folder.
import { element, toast } from './page.js'
import { say } from './text.js'

// `take(files)` is called with all that come at once.
export function takeFiles(take) {
  listenForDrops(take)
  addEventListener('paste', (event) => pasted(event, take))
  element('choose-files').onclick = () => element('files').click()
  element('choose-folder').hidden = !('webkitdirectory' in element('folder')) // as on some phones
  element('choose-folder').onclick = () => element('folder').click()
  listenForPicks(element('files'), take)
  listenForPicks(element('folder'), take)
}

// The files of a dropped folder, with those in its folders. An entry is asked again until it has told all: a browser
// tells a hundred at a time.
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))]
  const reader = entry.createReader()
  let files = []
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return files
    for (const one of some) files = files.concat(await filesOf(one))
  }
}

async function dropped(transfer, take) {
  // The list is emptied when this event is over: first all entries, then what they hold.
  const items = [...transfer.items].filter(({ kind }) => kind === 'file')
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null)
  const plain = [...transfer.files]
  if (!entries.some((entry) => entry?.isDirectory)) return take(plain)
  for (const entry of entries) {
    if (!entry) continue
    try {
      take(await filesOf(entry))
    } catch {
      toast(say('announce_failed', { name: entry.name, why: say('why_file_changed') }))
    }
  }
}

function pasted(event, take) {
  if (event.target.closest?.('input, textarea, dialog[open]')) return
  const files = [...event.clipboardData.files]
  const text = event.clipboardData.getData('text/plain')
  if (files.length === 0 && text !== '') {
    const stamp = new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-')
    files.push(new File([text], `${say('pasted')}-${stamp}.txt`, { type: 'text/plain;charset=utf-8' }))
  }
  if (files.length === 0) return
  event.preventDefault()
  take(files)
}

function listenForDrops(take) {
  let depth = 0
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files')
  const mark = () => element('drop').classList.toggle('over', depth > 0)
  addEventListener('dragenter', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth += 1
    mark()
  })
  addEventListener('dragover', (event) => {
    if (hasFiles(event)) event.preventDefault()
  })
  addEventListener('dragleave', (event) => {
    if (hasFiles(event)) depth = Math.max(0, depth - 1)
    mark()
  })
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth = 0
    mark()
    dropped(event.dataTransfer, take)
  })
}

export function listenForPicks(input, take) {
  input.addEventListener('change', () => {
    const files = [...input.files]
    input.value = '' // the same file can be picked again
    take(files)
  })
}
