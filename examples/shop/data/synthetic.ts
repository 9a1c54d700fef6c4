/** A product as the catalogue takes it; `price` in pence. */
export interface NewProduct { sku: string; name: string; price: number; stock: number }

const colours = ['RED', 'IVORY', 'PINK', 'BLUE', 'GREEN', 'BLACK', 'SILVER', 'CREAM', 'TURQUOISE', 'LAVENDER', 'ANTIQUE', 'MINT', 'GOLD', 'WHITE', 'NAVY']
const patterns = ['POLKADOT', 'RETROSPOT', 'GINGHAM', 'PAISLEY', 'HEART', 'STAR', 'VINTAGE', 'FLORAL', 'UNION JACK', 'WOODLAND', 'DOILY', 'TOADSTOOL', 'STRAWBERRY', 'NORDIC']
const things = [
  'T-LIGHT HOLDER', 'LUNCH BOX', 'MUG COSY', 'TEA TOWEL', 'CAKE TIN', 'HAND WARMER', 'JIGSAW BLOCKS', 'ALARM CLOCK', 'PHOTO FRAME', 'DOORMAT', 'CUSHION COVER', 'HOT WATER BOTTLE',
  'JUMBO BAG', 'WALL CLOCK', 'BIRD ORNAMENT', 'LANTERN', 'COAT HANGER', 'TEASPOONS', 'BUNTING', 'NOTEBOOK', 'APRON', 'PENCIL CASE', 'MUSICAL BOX', 'TRINKET TRAY', 'DRAWER KNOB', 'EGG CUP',
  'WATERING CAN', 'TABLE LAMP', 'STORAGE JAR', 'SEWING KIT', 'PICNIC BASKET',
]
const forms = ['', 'SMALL', 'LARGE', 'SET OF 3', 'SET OF 6', 'BOX OF 12', 'MINI', 'PAIR OF']

const skuCount = 90_000 * 26
const nameCount = forms.length * colours.length * patterns.length * things.length
/** Products that a newcomer's first orders and the tests can count on being there. */
const alwaysInStock = 50

/**
 * A gift shop's catalogue, the same for the same seed; a shorter one is the beginning of a longer one. Skus are unique (five digits and a
 * letter), prices 50 to 20,000 pence, most stocks above 100 (a few 0), and never below 100 for the first 50.
 */
export function syntheticCatalogue(count = 2000, seed = 1): NewProduct[] {
  if (!Number.isInteger(count) || count < 0 || count > skuCount) throw new RangeError(`A synthetic catalogue has 0 to ${skuCount} products, not ${count}.`)
  const random = randomFrom(seed)
  const sku = shuffledBelow(skuCount, random)
  const name = shuffledBelow(nameCount, random)
  return Array.from({ length: count }, (_, index) => ({
    sku: skuAt(sku(index)), name: nameAt(name(index % nameCount), Math.floor(index / nameCount)), price: priceFrom(random()), stock: stockFrom(random(), random(), index),
  }))
}

function skuAt(place: number): string {
  return `${10_000 + Math.floor(place / 26)}${String.fromCharCode(65 + (place % 26))}`
}

function nameAt(place: number, round: number): string {
  let rest = place
  const parts = [forms, colours, patterns, things].map((words) => {
    const word = words[rest % words.length] as string
    rest = Math.floor(rest / words.length)
    return word
  })
  return [...parts, round === 0 ? '' : `NO. ${round + 1}`].filter((word) => word !== '').join(' ')
}

/** Many cheap things and few dear ones: even on a logarithmic scale, the dear ones ending in 95 pence. */
function priceFrom(chance: number): number {
  const price = Math.round(50 * 400 ** chance)
  return price < 1000 ? price : Math.min(20_000, Math.floor(price / 100) * 100 + 95)
}

function stockFrom(kind: number, chance: number, index: number): number {
  if (index < alwaysInStock) return 100 + Math.floor(chance * 901)
  if (kind < 0.03) return 0
  return kind < 0.1 ? 1 + Math.floor(chance * 100) : 101 + Math.floor(chance * 900)
}

/** Visits each number below `size` once, in an order that looks random: steps by a number that shares no factor with it. */
function shuffledBelow(size: number, random: () => number): (index: number) => number {
  const start = Math.floor(random() * size)
  let step = 1 + Math.floor(size * (0.3 + random() * 0.4))
  while (commonFactor(step, size) !== 1) step += 1
  return (index) => (start + index * step) % size
}

function commonFactor(a: number, b: number): number {
  return b === 0 ? a : commonFactor(b, a % b)
}

/** Mulberry32 (Tommy Ettinger, public domain): numbers from 0 to below 1, fixed by the seed on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
