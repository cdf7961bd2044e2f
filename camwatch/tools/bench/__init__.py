"""`camwatch bench`: what each stage costs on this machine, beside the packages it stands in for.

`command` starts one worker process for each contestant (`worker_main`), and has them do the same work in turns.
"""
