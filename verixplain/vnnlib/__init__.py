"""VNN-LIB 1 and 2: queries, the search for their answer, and the standard solver interface.

Reading a query needs no torch; what needs it is imported when a network is asked.
"""
