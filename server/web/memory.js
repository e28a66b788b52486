// What this browser remembers. Where it may not, the page works until it is closed.

class Memory {
  constructor(storage, key) {
    this.storage = storage
    this.key = key
    this.fallback = null
  }

  read(otherwise) {
    try {
      return JSON.parse(this.storage().getItem(this.key)) ?? this.fallback ?? otherwise
    } catch {
      return this.fallback ?? otherwise
    }
  }

  write(value) {
    this.fallback = value
    try {
      this.storage().setItem(this.key, JSON.stringify(value))
    } catch {
      // full or forbidden: see above
    }
  }
}

export const savedUploads = new Memory(() => localStorage, 'ringdrop.uploads') // { fingerprint: { url, watch, name, size } }
export const savedLinks = new Memory(() => localStorage, 'ringdrop.links') // [{ url, deleteUrl, name, size }], newest first
export const savedToken = new Memory(() => sessionStorage, 'ringdrop.token')
