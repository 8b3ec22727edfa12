import collections, importlib.util, sys
spec=importlib.util.spec_from_file_location("mm","/work/main/tests/model/test_model.py"); mm=importlib.util.module_from_spec(spec); sys.modules["mm"]=mm; spec.loader.exec_module(mm)
from support.real import Real
C=collections.Counter()
import time
def test_stats(tmp_path, database_url):
    real=Real.create(tmp_path/"p",database_url)
    def ev(x): C[x]+=1
    mm.event=ev
    cls=mm.Life
    class L(cls): pass
    o=cls._attempt
    def att(self,outcome,cmd):
        C["attempt"]+=1
        if outcome.failed: C["failed"]+=1
        if outcome.late: C["late"]+=1
        return o(self,outcome,cmd)
    cls._attempt=att
    for name in list(vars(cls)):
        f=vars(cls)[name]
        if hasattr(f,"hypothesis_stateful_rule"):
            C["has "+name]=0
    oinv=cls._settle
    def st(self,c):
        C["probes"]+=1; C["files",len(self.world.files)]+=1; C["rows",len(self.world.rows) if self.world.rows is not None else None]+=1; 
        C["ours",self.world.ours]+=1
        return oinv(self,c)
    cls._settle=st
    a=time.time()
    mm.run_state_machine_as_test(lambda: C.update(["lives"]) or cls(real), settings=mm.settings(max_examples=25,stateful_step_count=20,deadline=None,database=None,suppress_health_check=list(mm.HealthCheck)))
    print(time.time()-a)
    for k,v in sorted(C.items(),key=str): print(k,v)
