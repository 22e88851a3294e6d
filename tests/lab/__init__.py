"""The fault laboratory: what breaks between a client, the gateway and a provider, made on purpose and accounted for.

faults, proxy     a TCP proxy that delays, slices, cuts, resets or swallows; the faults are values and can be combined
clients           clients that send slowly, read slowly, leave early, close one half
attacks           bytes that no honest client sends: pipelines, trailers, smuggled requests, garbage
mix, provider     random requests, and the scripted provider that answers each as the mix has planned
policies          policies that raise, block or dawdle, as a request asks of them
account           what metrics, spans, log and clients say of the same requests, compared
storm             many of a mix at once, then the account
process           `flowspan serve` as a process, and what it uses
soak, load, fuzz  programs: `python -m tests.lab.soak`, `.load`, `.fuzz`
"""
