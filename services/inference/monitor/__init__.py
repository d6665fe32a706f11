"""One replica at work: `shard` is what it knows of a shard, `pull` the loop that walks all of its shards."""
