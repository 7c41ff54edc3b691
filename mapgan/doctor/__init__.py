"""The dataset doctor: what is wrong with a folder of pairs, found before a training run is spent on it.

NumPy and Pillow only. :func:`mapgan.doctor.examine.examine` looks at a folder and gives back a
:class:`mapgan.doctor.report.Report`; :mod:`mapgan.doctor.splitting` makes a split from it.
"""
