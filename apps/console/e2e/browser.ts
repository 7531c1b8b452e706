import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'

/** Pictures of pages are left here when E2E_SHOTS names a folder. */
const SHOTS = process.env['E2E_SHOTS']
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } as const

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Debian's Chromium, headless, and quiet towards the outside. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface Window {
  context: BrowserContext
  page: Page
  /** What went wrong in the page: errors, refusals by the content security policy, requests to elsewhere. */
  faults: string[]
  close: () => Promise<void>
}

export async function openWindow(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Window> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = []
  const { host } = new URL(url)
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // What is refused on purpose answers 400, or 502 when a peer is out of reach, which Chromium reports on the console.
    if (message.type() === 'error' && !/status of (400|502)/.test(message.text())) faults.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const asked = new URL(request.url())
    if (asked.host !== host && asked.protocol !== 'blob:') faults.push(`request to ${asked.host}`)
  })
  await page.goto(url)
  return { context, page, faults, close: () => context.close() }
}

/** Opens a window, does the work in it, and asks that nothing went wrong in the page meanwhile. */
export async function within(browser: Browser, url: string, work: (window: Window) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  const window = await openWindow(browser, url, options)
  try {
    await work(window)
    if (window.faults.length > 0) throw new Error(`faults in the page:\n${window.faults.join('\n')}`)
  } finally {
    await window.close()
  }
}

/** What a person sees without scrolling. */
export async function shot(page: Page, name: string): Promise<void> {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`) })
}

/** The page to its end. The window grows, else the bars that stick to it would lie across the middle of a long page. */
export async function shotWhole(page: Page, name: string): Promise<void> {
  if (!SHOTS) return
  const before = page.viewportSize()
  if (before) {
    const height = await page.evaluate(() => document.documentElement.scrollHeight)
    await page.setViewportSize({ width: before.width, height: Math.max(height, before.height) })
    await page.evaluate(() => window.scrollTo(0, 0))
  }
  await shot(page, name)
  if (before) await page.setViewportSize(before)
}

export interface Violation {
  id: string
  impact: string
  nodes: string[]
}

/** Serious and critical violations that axe-core finds (WCAG 2.2 A and AA). */
export async function violations(page: Page): Promise<Violation[]> {
  // By the debugger and not as a script element: the page's own policy stays as strict as it is.
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const scope = window as unknown as { axe?: { run: (context: Document, options: object) => Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> } }
    const found = await scope.axe?.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
    return (found?.violations ?? [])
      .filter((each) => each.impact === 'serious' || each.impact === 'critical')
      .map((each) => ({ id: each.id, impact: each.impact, nodes: each.nodes.slice(0, 5).map((node) => node.html.slice(0, 200)) }))
  })
}

export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

const LOOKS = [
  ['desktop-light', { width: 1280, height: 860 }, 'light'],
  ['desktop-dark', { width: 1280, height: 860 }, 'dark'],
  ['phone-light', { width: 390, height: 844 }, 'light'],
  ['phone-dark', { width: 390, height: 844 }, 'dark'],
] as const

/** The page as it is now: it fits and is accessible in every look, and a picture of each is left. */
export async function look(page: Page, name: string): Promise<void> {
  for (const [suffix, size, colorScheme] of LOOKS) {
    await page.setViewportSize(size)
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(250)
    expect(await overflow(page), `${name} ${suffix}`).toBe(0)
    expect(await violations(page), `${name} ${suffix}`).toEqual([])
    await shot(page, `${name}-${suffix}`)
  }
  await page.setViewportSize(LOOKS[0][1])
  await page.emulateMedia({ colorScheme: 'light' })
}

/** Drops a file on the page, as from the desktop. */
export async function drop(page: Page, name: string, bytes: Buffer): Promise<void> {
  const data = await page.evaluateHandle(
    ({ name, base64 }) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name))
      return transfer
    },
    { name, base64: bytes.toString('base64') },
  )
  await page.locator('.drop').dispatchEvent('drop', { dataTransfer: data })
}
