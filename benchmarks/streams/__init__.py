"""A model on streams instead of single records: what its alarms are worth, on recordings and on the simulator.

stream     one patient's samples, and when the infarct begins
recorded   streams of recordings: looped as `selfmis ingest replay` loops them, with bouts of recorded noise
simulated  streams of the simulator, mimics included
scoring    streams cut, judged by the gate and scored, as a replay for the alarm rules
judged     rules on replays: all together and kind by kind
page       the figures as a page for docs/
"""
