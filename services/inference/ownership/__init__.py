"""Which replica owns which shard: heartbeats say who lives, rendezvous says who should, leases say who does."""
