"""The commands of `chartvault`, one file each.

Heavy imports happen inside the functions, so that `--help` and `token` answer at once.
"""
