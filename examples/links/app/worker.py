"""Does what the pages put into the queue, one thing at a time, until it is asked to end."""
from rq import SimpleWorker

import jobs

if __name__ == "__main__":
    # In this process, without a fork for each: what it does is short.
    SimpleWorker([jobs.queue()], connection=jobs.connection()).work(logging_level="INFO")
