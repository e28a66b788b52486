// The words of the scripts, in the language that the server chose for the page, and how numbers are shown.
const texts = { en: '{{en}}', ru: '{{ru}}' }
const words = texts[document.documentElement.lang] ?? texts.en
const locale = document.documentElement.lang

// The text of `key` with its {holes} filled.
export function say(key, holes = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, hole) => holes[hole])
}

export function has(key) {
  return key in words
}

export function showBytes(bytes) {
  let unit = 0
  while (bytes >= 1024 && unit < words.units.length - 1) {
    bytes /= 1024
    unit += 1
  }
  const digits = unit === 0 || bytes >= 100 ? 0 : 1
  return `${bytes.toLocaleString(locale, { maximumFractionDigits: digits })}\u00a0${words.units[unit]}`
}

export function showRate(bytesPerSecond) {
  return showBytes(bytesPerSecond) + words.per_second
}

export function showDuration(seconds) {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole}\u00a0${words.s}`
  if (whole < 3600) return `${Math.round(whole / 60)}\u00a0${words.min}`
  const minutes = Math.round((whole % 3600) / 60)
  return `${Math.floor(whole / 3600)}\u00a0${words.h} ${minutes}\u00a0${words.min}`
}

export function showPercent(share) {
  return Math.min(share, 1).toLocaleString(locale, { style: 'percent' })
}

export function showTime(text) {
  return new Date(text).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' })
}
