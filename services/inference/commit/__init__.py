"""The only way in which anything about a shard becomes lasting: one script a shard and step.

`facts` is what a step wants to keep, `packing` how it travels, `script` the Lua, `store` the edge
(commit, resolve, reload), `reader` what is read, `commands` what people ask, `link` the connection.
"""
