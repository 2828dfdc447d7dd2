// Sieve, sorting, closures, regular expressions, big integers, dates, JSON, generators.
const lines = [];
const sieve = new Uint8Array(100000);
let primes = 0;
for (let i = 2; i < sieve.length; i++) {
    if (sieve[i]) continue;
    primes++;
    for (let j = i * i; j < sieve.length; j += i) sieve[j] = 1;
}
lines.push(`primes ${primes}`);
const words = "the quick brown fox jumps over the lazy dog".split(" ");
lines.push(words.slice().sort().join(","));
lines.push(JSON.stringify(words.reduce((m, w) => ({ ...m, [w]: (m[w] || 0) + 1 }), {})));
let factorial = 1n;
for (let i = 1n; i <= 60n; i++) factorial *= i;
lines.push(String(factorial));
function* fibonacci() { let [a, b] = [0, 1]; for (;;) { yield a; [a, b] = [b, a + b]; } }
const found = [];
for (const n of fibonacci()) { if (n > 10000) break; found.push(n); }
lines.push(found.join(" "));
lines.push("2026-11-25T12:34:56Z".replace(/(\d+)-(\d+)-(\d+)T.*/u, "$3.$2.$1"));
lines.push(new Date(Date.UTC(2000, 1, 29)).toISOString());
lines.push([0.1 + 0.2, 1 / 3, Math.sqrt(2), 1e21, -0].map(String).join(" "));
let sum = 0;
for (let i = 0; i < 300000; i++) sum = (sum + Math.imul(i, 2654435761)) | 0;
lines.push(`sum ${sum}`);
try { null.x; } catch (error) { lines.push(error.constructor.name); }
lines.join("\n");
