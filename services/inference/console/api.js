// The API as this page uses it: JSON with a bearer token, one-line refusals, and streams by fetch (so that the
// token travels in a header, never in an address).

const KEY = "selfmis.token";
const PATIENCE_MS = 10_000;

// What the server refused, in its own words; status 0: it did not answer.
export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

export class Api {
  // `unauthorised` is called when the server wants another token.
  constructor(unauthorised) {
    this.unauthorised = unauthorised;
    this.token = sessionStorage.getItem(KEY) ?? "";
  }

  signIn(token) {
    this.token = token;
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  }

  get(path, signal) {
    return this.#json("GET", path, undefined, signal);
  }

  // `key`: the same for every attempt at one thing, so that the server does it once.
  send(method, path, body, key) {
    return this.#json(method, path, body, null, { "Idempotency-Key": key });
  }

  // The response of a stream, its body unread. Raises `Refused` like everything else.
  async stream(path, signal, lastEventId) {
    const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) };
    return this.#fetch(path, { headers, signal });
  }

  async #json(method, path, body, signal, more = {}) {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const response = await this.#fetch(path, {
      method,
      headers: body === undefined ? more : { "Content-Type": "application/json", ...more },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    try {
      const said = await response.json();
      return response.status === 202 ? { ...said, pending: true } : said;
    } catch (error) {
      throw unreadable(error, signal);
    }
  }

  async #fetch(path, options) {
    const headers = { ...options.headers, ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) };
    let response;
    try {
      response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    } catch (error) {
      throw unreadable(error, options.signal);
    }
    if (response.ok) return response;
    const words = await response.json().then((said) => said.error, () => null);
    if (response.status === 401) this.unauthorised();
    throw new Refused(response.status, words || `the server answered ${response.status}`);
  }
}

function unreadable(error, signal) {
  if (error.name === "AbortError" && signal?.aborted) return error;
  return new Refused(0, error.name === "TimeoutError" ? "the server does not answer in time" : "the server cannot be reached");
}

export const patientPath = (patient, rest = "") => `/api/patients/${encodeURIComponent(patient)}${rest}`;

export function query(values) {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== "" && each !== null && each !== undefined) made.append(name, each);
    }
  }
  return made.toString();
}
