"""Short links in one SQLite file, and how often each was followed."""
from datetime import datetime, timezone

from sqlalchemy import Column, DateTime, Integer, String, create_engine, select, update
from sqlalchemy.orm import Session, declarative_base

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
Base = declarative_base()


class Link(Base):
    __tablename__ = "link"
    id = Column(Integer, primary_key=True)
    target = Column(String(2000), nullable=False, unique=True)
    made = Column(DateTime, nullable=False, default=lambda: datetime.now(timezone.utc))
    followed = Column(Integer, nullable=False, default=0)

    @property
    def code(self):
        number, text = self.id + 1000, ""
        while number:
            number, digit = divmod(number, len(ALPHABET))
            text = ALPHABET[digit] + text
        return text


def id_of(code):
    """The id that a code stands for; None for what can't be one."""
    number = 0
    for sign in code[:12]:
        if sign not in ALPHABET:
            return None
        number = number * len(ALPHABET) + ALPHABET.index(sign)
    return number - 1000


class Store:
    def __init__(self, file):
        self.engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 10})
        Base.metadata.create_all(self.engine)

    def add(self, target):
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            link = session.scalar(select(Link).where(Link.target == target))
            if link is None:
                link = Link(target=target)
                session.add(link)
        return link

    def find(self, code):
        with Session(self.engine) as session:
            return session.get(Link, id_of(code) or -1)

    def newest(self, count=50):
        with Session(self.engine) as session:
            return session.scalars(select(Link).order_by(Link.id.desc()).limit(count)).all()

    def count_follow(self, id):
        with Session(self.engine) as session, session.begin():
            session.execute(update(Link).where(Link.id == id).values(followed=Link.followed + 1))
